import pika

if __name__ == '__main__':
    credentials = pika.PlainCredentials('guest', 'guest')
    parameters = pika.ConnectionParameters('192.168.141.129', port=5672, virtual_host='/', credentials=credentials)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    # 生产者
    # 创建交换机
    channel.exchange_declare(exchange='hello2',  # 交换机名
                             exchange_type='fanout',  # 发布订阅
                             durable=True)  # 持久化交换机
    msg = 'Hello World!'
    channel.basic_publish(exchange='hello2',
                          routing_key='',
                          body=msg,
                          properties=pika.BasicProperties(
                              delivery_mode=2)  # 持久化消息
                          )
    print('Sent %r' % msg)
    connection.close()
